"""What it takes to make a run again and to trust what came of it: manifest, archive, cards, checklist."""

"""Self-checks that a user runs on the machine that will do the work: `python -m code_generation.test_scripts.NAME`.

Each prints a line a check and ends with exit status 0 where all hold, 1 where one does not, 2 where it could not begin.
"""

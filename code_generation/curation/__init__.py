"""Which verified rows deserve to become training data: filters, duplicates, contamination, gaming, leaks.

Pure functions and small indexes over rows; nothing here runs code or asks a model. Import from the modules.
"""

"""Results to training files: pure functions, one file a format, one row each in the table. Nothing here runs a model
or code.
"""

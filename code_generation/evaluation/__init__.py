"""Figures over finished rows: pass@k, intervals, paired tests, power, advantages. Pure functions over plain numbers and
`outcomes.Sample`; nothing here runs a model, runs code or reads a file.
"""

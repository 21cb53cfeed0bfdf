"""Measurements that a person asks for: evaluations, comparisons, diagnoses, the synthetic baselines. Rows come in, the
statistics room computes, tables and files go out; an evaluation file runs what is missing first.
"""

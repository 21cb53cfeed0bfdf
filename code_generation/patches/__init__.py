"""Patches that models write: found in answers, repaired under named rules, applied in a throw-away tree, measured.

    extraction   answer -> the patch as it stands there
    repair       patch -> the same change in a form that tools read, every repair named
    applying     patch and base files -> whether the harness' commands take it
    evaluation   answer and problem -> `PatchReport`

Nothing of a patch is ever run, and nothing outside a temporary folder is written.
"""

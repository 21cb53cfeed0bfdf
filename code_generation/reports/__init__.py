"""Reports that people look at: result rows to Markdown, JSON and one HTML file that needs nothing else.

Nothing here runs a model or code. What models and data sets say is shown as text, wherever it stands.
"""

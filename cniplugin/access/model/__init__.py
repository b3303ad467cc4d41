"""The values of the access rules: what rules select and limit, and what they judge.

Values only: `access.reading` reads them, `access.judging` decides by them.
"""

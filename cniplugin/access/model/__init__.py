"""The values of the access rules: what rules select, limit and say, and what is judged by them.

Values only. How they are read is in `access.reading`, how they decide is in `access.judging`.
"""

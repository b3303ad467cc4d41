"""Random inputs for every parser: the table of parsers, the mutations, and the loop that joins them.

A parser accepts an input or raises one of its declared errors. Any other exception, a hang, a crash of the interpreter,
or more steps than the length of the input allows is a finding. Where a value has two readers (render and parse, ours
and the standard library's), they must agree.

The loop is our own and not atheris: it needs no compiled package, it runs on every Python that the project supports,
and a run with the same seed tries the same inputs.
"""

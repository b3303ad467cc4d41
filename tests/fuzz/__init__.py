"""Random inputs for every parser: what belongs here is the table of parsers, the mutations, and the loop around both.

`targets` is the table. A parser may refuse an input with its declared error and in no other way: no other exception, no
hang, no crash of the interpreter, no more steps than the length of the input allows. Where a value has two readings
(render and parse, our reader and the standard library's), they agree.

The loop is this project's own and not atheris: it needs no compiled package of the development machine, it runs on
every Python that the project supports, and a run with the same seed tries the same inputs.
"""

"""The commands of `nadmit`, one module each: options in, one call, printed result and exit code out.

Belongs here: options, help texts, what is printed where, exit codes. Does not belong here: decisions, formats.
Must not know: Starlette, uvicorn, cryptography or urllib3, which `serve` imports when it runs.
"""

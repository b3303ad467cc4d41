"""The commands of `nadmit`, one module each: options in, one call, printed result and exit code out.

Belongs here: options, help texts, what is printed where, exit codes. Does not belong here: decisions, formats.
Must not know: FastAPI, uvicorn, cryptography or the Kubernetes client, which `serve` imports when it runs.
"""

"""Configurations for CNI plugins: the keys of 32 plugins as data, and an engine that checks a configuration with them.

Belongs here: the classes of the knowledge (`schema`), the codes and their severities (`findings`), the engine, rules
that a table cannot express. Does not belong here: the knowledge itself and its files (`webhook.plugindata`), what the
CNI envelope allows (`cniplugin.netspec.cniconfig`, whose refusals come first and are not repeated). Must not know: API
objects, requests, files. The only part of a pod that it knows is one element of its networks annotation
(`selectionrequests`).
"""

"""What CNI plugins accept: the keys of 29 plugins as data, and an engine that walks one configuration with them.

Belongs here: the shape of the knowledge (`schema`), the table of codes, the engine, rules that a table cannot say. Does
not belong here: the knowledge itself and its files (`webhook.plugindata`), what the CNI envelope allows
(`cniplugin.netspec.cniconfig`, whose refusals come first and are not repeated). Must not know: API objects, requests,
files; of a pod it knows one element of its networks annotation (`selectionrequests`).
"""

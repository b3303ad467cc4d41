"""`nadmit ui`: a page on loopback that shows the networks of a cluster, with the rights of whoever starts it.

`page` has the files that the browser loads; `nadmit map -o html` puts them into one file. Here is: the cluster as it is
now (`clusterview`), from watches or from files; what the page asks about it (`clusteranswers` and its neighbours); and
the server, which answers to one browser alone (`guard`). Does not belong here: a decision, a text about one, or
anything that writes.
"""

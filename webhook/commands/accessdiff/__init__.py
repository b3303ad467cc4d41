"""`nadmit diff`: who gains and who loses access between two trees. `diffcommand` > `comparing` > `subjects`."""

"""`nadmit plan`: what a change would do to pods. `plancommand` > `changesteps` > `plannedstate` > `livestate`."""

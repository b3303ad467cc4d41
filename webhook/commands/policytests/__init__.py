"""`nadmit test`: tests of access policies as files. `testcommand` > `running` > `testfiles`, `deciders`."""

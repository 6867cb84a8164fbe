"""What a folder of runs must obey: each rule a small function, by the stage at which it can be checked."""

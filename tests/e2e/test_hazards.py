"""What goes wrong elsewhere: storms, leaks, races, clocks."""

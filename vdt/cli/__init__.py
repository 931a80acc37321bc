"""The two commands. The only room that prints, installs signal handlers or ends the process."""

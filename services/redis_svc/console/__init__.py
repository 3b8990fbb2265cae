"""The console: any command a caller may run, judged before anything runs, with typed and bounded replies."""

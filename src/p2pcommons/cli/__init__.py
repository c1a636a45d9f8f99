"""The command line: one file per group of commands, every heavy import deferred.

`root.run` is the composition root; `output` is the only place that writes; commands return a
`Reply` and raise `UserError`, and never print.
"""

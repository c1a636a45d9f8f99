"""The screens. They ask the desk in workers and show what comes back as messages."""

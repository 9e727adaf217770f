"""What a person or a program has before it: a terminal, plain lines, lines of JSON."""

"""Ground: messages, files that are whole, random streams, discovery."""

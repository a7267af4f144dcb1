"""Wire formats as pure functions: a request spelled as HTTP, a reply or an error read."""

"""The local servers, one module each, and the stack of all of them."""

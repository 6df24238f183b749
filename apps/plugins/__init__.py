"""What users bring as Python, named `"module:function"`: found, imported, called, told apart."""

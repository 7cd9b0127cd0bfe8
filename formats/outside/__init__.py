"""What comes from outside and what goes there: values, files, text, and the code of authors."""

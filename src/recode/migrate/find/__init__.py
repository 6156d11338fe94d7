"""Finding the uses of changed APIs in a project, each with a confidence."""

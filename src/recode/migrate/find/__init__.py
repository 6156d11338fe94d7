"""Uses of changed APIs in a project, and how sure each finding is."""

//! What an environment has installed of a project.

"""Programs written by a model for collected updates, admitted by the verify rule."""

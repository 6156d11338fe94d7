"""The one reason type of the model's path."""


class Rejected(Exception):
    """Why a model's answer is not taken; never reaches a user as an error."""

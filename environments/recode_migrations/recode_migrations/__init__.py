"""Migrations to new releases of libraries, as a verifiers taskset, single-turn or with a repair."""

from recode_migrations.environment import MigrationEnv, MigrationEnvConfig
from recode_migrations.taskset import MigrationTaskset, MigrationTasksetConfig

__all__ = ["MigrationEnv", "MigrationEnvConfig", "MigrationTaskset", "MigrationTasksetConfig"]

"""Recipes: TOML files that say what to train, on what, and how. One validated model for each method; a typo names the nearest key."""

from recode.train.recipes.fine_tuning import SftOptimization, SftRecipe
from recode.train.recipes.loading import AnyRecipe, Recipe, load_recipe
from recode.train.recipes.policy import (
    DynamicSampling,
    Overlong,
    PolicyLoss,
    PolicyRecipe,
    RewardTerms,
    Rollout,
    Vllm,
)
from recode.train.recipes.pretraining import (
    LEAST_VOCABULARY,
    ModelShape,
    PretrainData,
    PretrainOptimizer,
    PretrainRecipe,
)
from recode.train.recipes.tables import Adapter, Hardware, Optimization, TrainingData, Validation

__all__ = [
    "LEAST_VOCABULARY",
    "Adapter",
    "AnyRecipe",
    "DynamicSampling",
    "Hardware",
    "ModelShape",
    "Optimization",
    "Overlong",
    "PolicyLoss",
    "PolicyRecipe",
    "PretrainData",
    "PretrainOptimizer",
    "PretrainRecipe",
    "Recipe",
    "RewardTerms",
    "Rollout",
    "SftOptimization",
    "SftRecipe",
    "TrainingData",
    "Validation",
    "Vllm",
    "load_recipe",
]

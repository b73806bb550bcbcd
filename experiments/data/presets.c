/* Names of presets. */
#include "experiments/data/presets.h"

const DatasetPresets dataset_presets_glyphs = {
    .teacher = "glyphs",
    .as_is = {.masks = "glyphs", .other = "glyphs-published"},
    .binary = {.masks = "glyphs", .other = "glyphs-published"},
};

const DatasetPresets dataset_presets_greys = {
    .teacher = "mnist-binary",
    .as_is = {.masks = "mnist", .other = "mnist-gaussian"},
    .binary = {.masks = "mnist-binary", .other = "mnist-binary-published"},
};

const DatasetPresets dataset_presets_colours = {
    .teacher = "cifar10",
    .as_is = {.masks = "cifar10-small", .other = "cifar10"},
    .binary = {.masks = "cifar10-small", .other = "cifar10"},
};

const DatasetPresets dataset_presets_pictures = {
    .teacher = "cifar10-small",
    .as_is = {.masks = "cifar10-small", .other = "cifar10"},
    .binary = {.masks = "mnist-binary", .other = "mnist-binary-published"},
};

const DatasetPresets dataset_presets_characters = {
    .teacher = "shakespeare",
    .as_is = {.masks = "shakespeare", .other = "shakespeare-published"},
    .binary = {.masks = "shakespeare", .other = "shakespeare-published"},
};

const DatasetPresets dataset_presets_letters = {
    .teacher = "text8",
    .as_is = {.masks = "text8", .other = "shakespeare-published"},
    .binary = {.masks = "text8", .other = "shakespeare-published"},
};

const DatasetPresets dataset_presets_tokens = {
    .teacher = "owt",
    .as_is = {.masks = "owt", .other = "owt"},
    .binary = {.masks = "owt", .other = "owt"},
};

#include "engine/train_config.h"
#include "engine/dataset.h"
#include "engine/fields.h"

#define AT(member)       .offset = offsetof(struct train_config, member)
#define MAX_SAFE_INTEGER 9007199254740991.0 /* 2^53 - 1: whole numbers up to here are exact in a double */

static const char *const schedule_names[] = {
    [SCHEDULE_CONSTANT] = "constant", [SCHEDULE_COSINE] = "cosine", NULL};

/* A new option of the recipe is a member of struct train_config, a default and a line here. */
static const struct field fields[] = {
    {.name = "epochs", .type = FIELD_INT, AT(epochs), .min = 1, .max = 1000},
    {.name = "batch_size", .type = FIELD_INT, AT(batch_size), .min = 1, .max = 1024},
    {.name = "learning_rate",
     .type = FIELD_DOUBLE,
     AT(learning_rate),
     .min = 0,
     .above_min = true,
     .max = 10},
    {.name = "schedule", .type = FIELD_CHOICE, AT(schedule), .choices = schedule_names},
    {.name = "warmup", .type = FIELD_DOUBLE, AT(warmup), .min = 0, .max = 1, .below_max = true},
    {.name = "beta_1", .type = FIELD_DOUBLE, AT(beta_1), .min = 0, .max = 1, .below_max = true},
    {.name = "beta_2", .type = FIELD_DOUBLE, AT(beta_2), .min = 0, .max = 1, .below_max = true},
    {.name = "epsilon", .type = FIELD_DOUBLE, AT(epsilon), .min = 0, .above_min = true, .max = 1},
    {.name = "label_smoothing",
     .type = FIELD_DOUBLE,
     AT(label_smoothing),
     .min = 0,
     .max = 1,
     .below_max = true},
    {.name = "ema_decay", .type = FIELD_DOUBLE, AT(ema_decay), .min = 0, .max = 1, .below_max = true},
    {.name = "validation_split", .type = FIELD_DOUBLE, AT(validation_split), .min = 0, .max = 0.9},
    {.name = "patience", .type = FIELD_INT, AT(patience), .min = 0, .max = 1000},
    {.name = "train_limit", .type = FIELD_INT64, AT(train_limit), .min = 0, .max = DATASET_MAX_IMAGES},
    {.name = "seed", .type = FIELD_UINT64, AT(seed), .min = 0, .max = MAX_SAFE_INTEGER},
    {.name = "augmentation", .type = FIELD_OTHER},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

#define RANGE_OF(member) .type = FIELD_DOUBLE, .offset = offsetof(struct augmentation, member), .min = 0

static const struct field augmentation_fields[] = {
    {.name = "rotation", RANGE_OF(rotation), .max = 45}, {.name = "shift", RANGE_OF(shift), .max = 8},
    {.name = "scale", RANGE_OF(scale), .max = 0.5},      {.name = "shear", RANGE_OF(shear), .max = 0.5},
    {.name = "elastic", RANGE_OF(elastic), .max = 4},    {.name = "thickness", RANGE_OF(thickness), .max = 1},
};
#define AUGMENTATION_COUNT (sizeof augmentation_fields / sizeof *augmentation_fields)

struct train_config train_config_default(void)
{
    return (struct train_config){
        .epochs = 10,
        .batch_size = 64,
        .learning_rate = 1e-3,
        .beta_1 = 0.9,
        .beta_2 = 0.999,
        .epsilon = 1e-7,
        .validation_split = 0.1,
        .train_limit = 0,
        .seed = 1,
    };
}

static void read_augmentation(const json_t *json, const char *parent, struct augmentation *augmentation,
                              struct problems *problems)
{
    char pointer[POINTER_SIZE], found[FOUND_SIZE];
    pointer_to_member(pointer, parent, "augmentation");
    if (json_is_object(json))
        fields_read(augmentation_fields, AUGMENTATION_COUNT, json, pointer, augmentation, problems);
    else if (json)
        problems_add(problems, ERR_ARGUMENT, pointer, "augmentation: expected an object, found %s",
                     describe_value(json, found));
}

/* What no single field tells. */
static void check_together(const struct train_config *config, const char *parent, struct problems *problems)
{
    char pointer[POINTER_SIZE];
    pointer_to_member(pointer, parent, "patience");
    if (config->patience > 0 && config->validation_split == 0)
        problems_add(problems, ERR_ARGUMENT, pointer,
                     "patience: %d, but validation_split is 0 and leaves no images to watch the loss on",
                     config->patience);
}

enum status train_config_from_json(const json_t *json, const char *pointer, struct train_config *ret_config,
                                   struct problems *problems)
{
    size_t before = problems->count;
    if (!json_is_object(json)) {
        char found[FOUND_SIZE];
        problems_add(problems, ERR_ARGUMENT, pointer, "training: expected an object, found %s",
                     describe_value(json, found));
        return ERR_ARGUMENT;
    }
    struct train_config config = *ret_config;
    fields_read(fields, FIELD_COUNT, json, pointer, &config, problems);
    read_augmentation(json_object_get(json, "augmentation"), pointer, &config.augmentation, problems);
    check_together(&config, pointer, problems);
    enum status status = problems_since(problems, before);
    if (status == OK)
        *ret_config = config;
    return status;
}

json_t *train_config_to_json(const struct train_config *config)
{
    json_t *json = fields_to_json(fields, FIELD_COUNT, config);
    json_t *augmentation = fields_to_json(augmentation_fields, AUGMENTATION_COUNT, &config->augmentation);
    if (json && json_object_set_new(json, "augmentation", augmentation) == 0)
        return json;
    json_decref(json);
    return NULL;
}

enum status train_config_check(const struct train_config *config, const char *pointer,
                               struct problems *problems)
{
    size_t before = problems->count;
    char augmentation[POINTER_SIZE];
    pointer_to_member(augmentation, pointer, "augmentation");
    fields_check(fields, FIELD_COUNT, config, pointer, problems);
    fields_check(augmentation_fields, AUGMENTATION_COUNT, &config->augmentation, augmentation, problems);
    check_together(config, pointer, problems);
    return problems_since(problems, before);
}

struct train_split train_split_of(const struct train_config *config, size_t count)
{
    size_t used = config->train_limit > 0 && (uint64_t)config->train_limit < count
                      ? (size_t)config->train_limit
                      : count;
    size_t validation = (size_t)((double)used * config->validation_split + 1e-9);
    return (struct train_split){.train = used - validation, .validation = validation};
}

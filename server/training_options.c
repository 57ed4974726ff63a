#include "server/training_options.h"

#include "server/cli.h"
#include "server/input.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *field, *option;
    size_t offset;
    bool augments; /* a member of "augmentation" */
} fields[] = {
#define ROW(member, name, value, help) {#member, name, offsetof(struct training_options, member), false},
#define AUGMENTATION_ROW(member, name, value, help)                                                          \
    {#member, name, offsetof(struct training_options, member), true},
    TRAINING_FIELDS(ROW) AUGMENTATION_FIELDS(AUGMENTATION_ROW)};

static const char *text_at(const struct training_options *options, size_t index)
{
    return *(const char *const *)((const char *)options + fields[index].offset);
}

/* What the JSON of a configuration says of a field. */
static const json_t *value_at(const json_t *config, size_t index)
{
    const json_t *parent = fields[index].augments ? json_object_get(config, "augmentation") : config;
    return json_object_get(parent, fields[index].field);
}

bool training_options_given(const struct training_options *options)
{
    bool given = options->recipe != NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        given = given || text_at(options, i);
    return given;
}

json_t *training_options_to_json(const struct training_options *options)
{
    json_t *augmentation = json_object(), *json = json_pack("{s:o}", "augmentation", augmentation);
    for (size_t i = 0; json && i < ARRAY_LENGTH(fields); i++) {
        const char *text = text_at(options, i);
        json_t *parent = fields[i].augments ? augmentation : json;
        if (text && json_object_set_new(parent, fields[i].field, input_number_or_text(text)) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    if (json_object_size(augmentation) == 0)
        json_object_del(json, "augmentation");
    return json;
}

/* Pointers end with the field's name: /augmentation/rotation is --rotation. */
static void report_problems(const char *command, const struct problems *problems)
{
    for (size_t i = 0; i < problems->count && i < PROBLEMS_KEPT; i++) {
        char name[sizeof problems->items[i].pointer];
        const char *field = strrchr(problems->items[i].pointer, '/');
        const char *reason = strchr(problems->items[i].message, ':');
        snprintf(name, sizeof name, "%s", field ? field + 1 : "");
        for (char *at = name; *at; at++)
            *at = *at == '_' ? '-' : *at;
        cli_failed(command, "--%s%s", name, reason ? reason : "");
    }
}

int training_options_read(const char *command, const struct training_options *options,
                          struct model_spec *ret_spec, struct train_config *ret_config)
{
    struct model_spec spec;
    struct train_config config;
    struct problems problems = {0};
    struct error err;
    if (recipe_find(options->recipe ? options->recipe : "reference", &spec, &config, &err) != OK) {
        cli_failed(command, "--recipe: %s", err.message);
        return EXIT_USAGE;
    }
    json_t *given = training_options_to_json(options);
    if (!given)
        return cli_failed(command, "no memory for the options");
    enum status status = train_config_from_json(given, "", &config, &problems);
    json_decref(given);
    report_problems(command, &problems);
    if (status != OK)
        return EXIT_USAGE;
    *ret_spec = spec;
    *ret_config = config;
    return EXIT_SUCCESS;
}

const char *training_options_conflict(const struct training_options *options,
                                      const struct train_config *asked, const struct train_config *kept)
{
    json_t *wanted = train_config_to_json(asked), *found = train_config_to_json(kept);
    const char *conflict = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(fields) && !conflict; i++) {
        bool counts = options->recipe || text_at(options, i);
        if (counts && !json_equal(value_at(wanted, i), value_at(found, i)))
            conflict = fields[i].option;
    }
    json_decref(found);
    json_decref(wanted);
    return conflict;
}

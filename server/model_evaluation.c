#include "server/model_evaluation.h"

#include "server/client_json.h"
#include "server/options.h"
#include "server/table.h"

#define MISTAKES_SHOWN 10

static enum status print_confusion(const json_t *rows)
{
    static const struct table_column columns[] = {
        {.title = "TRUE", .right = true}, {.title = "0", .right = true}, {.title = "1", .right = true},
        {.title = "2", .right = true},    {.title = "3", .right = true}, {.title = "4", .right = true},
        {.title = "5", .right = true},    {.title = "6", .right = true}, {.title = "7", .right = true},
        {.title = "8", .right = true},    {.title = "9", .right = true}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *row, *cell;
    size_t label, predicted;
    json_array_foreach((json_t *)rows, label, row)
    {
        table_cell(&table, "%zu", label);
        json_array_foreach((json_t *)row, predicted, cell)
        {
            table_cell(&table, "%lld", (long long)json_integer_value(cell));
        }
    }
    return table_print(&table, stdout);
}

static enum status print_classes(const json_t *classes)
{
    static const struct table_column columns[] = {{.title = "DIGIT", .right = true},
                                                  {.title = "IMAGES", .right = true},
                                                  {.title = "PRECISION", .right = true},
                                                  {.title = "RECALL", .right = true},
                                                  {.title = "F1", .right = true}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    const json_t *class;
    size_t i;
    json_array_foreach((json_t *)classes, i, class)
    {
        char support[FORMAT_SIZE], precision[FORMAT_SIZE], recall[FORMAT_SIZE], f1[FORMAT_SIZE];
        table_cell(&table, "%.0f", client_number_at(class, "/label"));
        table_cell(&table, "%s", client_count_at(class, "/support", support));
        table_cell(&table, "%s", client_percent_at(class, "/precision", precision));
        table_cell(&table, "%s", client_percent_at(class, "/recall", recall));
        table_cell(&table, "%s", client_percent_at(class, "/f1", f1));
    }
    return table_print(&table, stdout);
}

static enum status print_mistakes(const json_t *mistakes)
{
    static const struct table_column columns[] = {{.title = "IMAGE", .right = true},
                                                  {.title = "IS", .right = true},
                                                  {.title = "TAKEN FOR", .right = true},
                                                  {.title = "CONFIDENCE", .right = true}};
    struct table table = table_begin(columns, ARRAY_LENGTH(columns));
    for (size_t i = 0; i < json_array_size(mistakes) && i < MISTAKES_SHOWN; i++) {
        const json_t *mistake = json_array_get(mistakes, i);
        char confidence[FORMAT_SIZE];
        table_cell(&table, "%.0f", client_number_at(mistake, "/index"));
        table_cell(&table, "%.0f", client_number_at(mistake, "/label"));
        table_cell(&table, "%.0f", client_number_at(mistake, "/predicted"));
        table_cell(&table, "%s", client_percent_at(mistake, "/confidence", confidence));
    }
    return table_print(&table, stdout);
}

enum status model_evaluation_print(const json_t *evaluation)
{
    char text[FORMAT_SIZE];
    const json_t *mistakes = json_object_get(evaluation, "mistakes");
    client_print_field("version", "%s:%.0f", client_text_at(evaluation, "/model"),
                       client_number_at(evaluation, "/version"));
    client_print_field("images", "%s of %s, %s", client_count_at(evaluation, "/count", text),
                       client_text_at(evaluation, "/dataset"), client_text_at(evaluation, "/split"));
    client_print_field("accuracy", "%s", client_percent_at(evaluation, "/accuracy", text));
    client_print_field("loss", "%.4f", client_number_at(evaluation, "/loss"));
    puts("\nDigits, and what they were taken for:");
    enum status status = print_confusion(json_object_get(evaluation, "confusion"));
    putchar('\n');
    if (status == OK)
        status = print_classes(json_object_get(evaluation, "classes"));
    if (status != OK || json_array_size(mistakes) == 0)
        return status;
    puts("\nThe worst mistakes:");
    return print_mistakes(mistakes);
}

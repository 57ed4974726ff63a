/* What can be trained on, and what is remembered of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/datasets.h"
#include "server/files.h"
#include "tests/server/scratch.h"
#include "tests/server/tiny_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct datasets *datasets;

static int setup(void **state)
{
    (void)state;
    scratch_make();
    return datasets_create(scratch_path("data"), &datasets, NULL) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    datasets_free(datasets);
    scratch_remove();
    return 0;
}

static void folders_are_listed_by_name(void **state)
{
    (void)state;
    struct dataset_name *names;
    size_t count;
    bool has_more;
    struct error err;
    assert_int_equal(datasets_list(datasets, &names, &count, &has_more, &err), OK);
    assert_int_equal(count, 0);
    free(names);

    tiny_dataset_write("data/zeta", 20, 10);
    tiny_dataset_write("data/alpha", 20, 10);
    tiny_dataset_write("data/Not A Name", 20, 10);
    scratch_write("data/file", "x", 1);
    assert_int_equal(datasets_list(datasets, &names, &count, &has_more, &err), OK);
    assert_int_equal(count, 2);
    assert_false(has_more);
    assert_string_equal(names[0].text, "alpha");
    assert_string_equal(names[1].text, "zeta");
    free(names);
}

static void a_long_list_is_cut_and_says_so(void **state)
{
    (void)state;
    for (int i = 0; i <= DATASETS_LISTED_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "data/d%03d", i);
        assert_int_equal(files_make_folder(scratch_path(name), NULL), OK);
    }
    struct dataset_name *names;
    size_t count;
    bool has_more;
    struct error err;
    assert_int_equal(datasets_list(datasets, &names, &count, &has_more, &err), OK);
    assert_int_equal(count, DATASETS_LISTED_MAX);
    assert_true(has_more);
    assert_string_equal(names[255].text, "d255");
    free(names);
}

static void a_dataset_is_loaded_once_and_shared(void **state)
{
    (void)state;
    tiny_dataset_write("data/tiny", 20, 10);
    struct dataset *first, *second;
    struct error err;
    assert_int_equal(datasets_open(datasets, "tiny", SPLIT_TRAIN, &first, &err), OK);
    assert_int_equal(datasets_open(datasets, "tiny", SPLIT_TRAIN, &second, &err), OK);
    assert_ptr_equal(first, second);
    assert_int_equal(dataset_count(first), 20);
    dataset_unref(second);
    datasets_trim(datasets);
    assert_int_equal(dataset_label(first, 1), 7); /* the borrower's reference outlives the trim */
    assert_int_equal(datasets_open(datasets, "tiny", SPLIT_TEST, &second, &err), OK);
    assert_int_equal(dataset_count(second), 10);
    dataset_unref(first);
    dataset_unref(second);
}

static void images_of_a_few_splits_are_kept_for_the_next_who_asks(void **state)
{
    (void)state;
    static const char *const names[] = {"one", "two", "three"};
    struct dataset *opened[3], *again;
    for (size_t i = 0; i < 3; i++) {
        char folder[32];
        snprintf(folder, sizeof folder, "data/%s", names[i]);
        tiny_dataset_write(folder, 20, 10);
        assert_int_equal(datasets_open(datasets, names[i], SPLIT_TRAIN, &opened[i], NULL), OK);
    }
    for (size_t i = 3; i-- > 0;) {
        assert_int_equal(datasets_open(datasets, names[i], SPLIT_TRAIN, &again, NULL), OK);
        assert_true((again == opened[i]) == (i > 0)); /* the first was let go, and is loaded again */
        dataset_unref(again);
    }
    for (size_t i = 0; i < 3; i++)
        dataset_unref(opened[i]);
}

static void info_is_that_of_the_files(void **state)
{
    (void)state;
    tiny_dataset_write("data/tiny", 20, 10);
    struct dataset_info info;
    struct dataset *train;
    struct error err;
    assert_int_equal(datasets_info(datasets, "tiny", &info, &err), OK);
    assert_int_equal(info.splits[SPLIT_TRAIN].count, 20);
    assert_int_equal(info.splits[SPLIT_TEST].count, 10);
    assert_int_equal(datasets_open(datasets, "tiny", SPLIT_TRAIN, &train, &err), OK);
    assert_string_equal(info.splits[SPLIT_TRAIN].digest, dataset_digest(train));
    dataset_unref(train);
}

static void changed_files_are_read_again(void **state)
{
    (void)state;
    tiny_dataset_write("data/tiny", 20, 10);
    struct dataset_info before, after;
    struct error err;
    assert_int_equal(datasets_info(datasets, "tiny", &before, &err), OK);
    tiny_dataset_write("data/tiny", 30, 10);
    assert_int_equal(datasets_info(datasets, "tiny", &after, &err), OK);
    assert_int_equal(after.splits[SPLIT_TRAIN].count, 30);
    assert_string_not_equal(before.splits[SPLIT_TRAIN].digest, after.splits[SPLIT_TRAIN].digest);
    assert_string_equal(before.splits[SPLIT_TEST].digest, after.splits[SPLIT_TEST].digest);

    tiny_dataset_remove("data/tiny");
    assert_int_equal(datasets_info(datasets, "tiny", &after, &err), ERR_NOT_FOUND);
}

static void an_unknown_dataset_is_refused_with_those_there_are(void **state)
{
    (void)state;
    static const char *const names[] = {"absent", "..", "", "a/b", "/etc"};
    struct dataset_info info;
    struct error err;
    tiny_dataset_write("data/tiny", 20, 10);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(datasets_info(datasets, names[i], &info, &err), ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, "there are: tiny"));
        assert_false(datasets_has_folder(datasets, names[i]));
    }
    assert_true(datasets_has_folder(datasets, "tiny"));
}

static void a_broken_dataset_names_its_file(void **state)
{
    (void)state;
    struct dataset_info info;
    struct error err;
    tiny_dataset_write("data/tiny", 20, 10);
    scratch_write("data/tiny/t10k-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x0a", 8);
    assert_int_equal(datasets_info(datasets, "tiny", &info, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "t10k-labels-idx1-ubyte"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_are_listed_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_list_is_cut_and_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dataset_is_loaded_once_and_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(images_of_a_few_splits_are_kept_for_the_next_who_asks, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(info_is_that_of_the_files, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_files_are_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_dataset_is_refused_with_those_there_are, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_dataset_names_its_file, setup, teardown),
    };
    return cmocka_run_group_tests_name("datasets", tests, NULL, NULL);
}

/* nearest_*: which known name a mistyped one is near to. */
#include "server/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *suggestion(const char *wanted)
{
    static const char *const names[] = {"serve",    "train",   "evaluate", "predict",
                                        "describe", "version", "help"};
    struct nearest nearest = nearest_to(wanted);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        nearest_offer(&nearest, names[i]);
    return nearest.name;
}

static void slips_of_the_finger_are_near(void **state)
{
    (void)state;
    assert_string_equal(suggestion("trian"), "train");       /* swapped */
    assert_string_equal(suggestion("tain"), "train");        /* left out */
    assert_string_equal(suggestion("traiin"), "train");      /* added */
    assert_string_equal(suggestion("trayn"), "train");       /* changed */
    assert_string_equal(suggestion("evlauaet"), "evaluate"); /* two swaps of eight letters */
}

static void a_beginning_is_near(void **state)
{
    (void)state;
    assert_string_equal(suggestion("pre"), "predict");
    assert_string_equal(suggestion("v"), "version");
}

static void other_words_are_not(void **state)
{
    (void)state;
    assert_null(suggestion("fish"));
    assert_null(suggestion("brawl")); /* three changes of five letters are too many */
    assert_null(suggestion("training-job"));
    assert_null(suggestion(""));
}

static void words_of_any_length_are_survived(void **state)
{
    (void)state;
    char word[5000];
    memset(word, 't', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_null(suggestion(word));
    word[40] = '\0';
    assert_null(suggestion(word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_of_the_finger_are_near),
        cmocka_unit_test(a_beginning_is_near),
        cmocka_unit_test(other_words_are_not),
        cmocka_unit_test(words_of_any_length_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

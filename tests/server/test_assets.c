/* The embedded page: what static/embed.mjs put into the program. */
#include "server/assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "server/digest.h"

static void assets_are_in_order_and_found_by_their_path_alone(void **state)
{
    (void)state;
    assert_non_null(asset_at(0));
    for (size_t i = 0; asset_at(i); i++) {
        assert_ptr_equal(asset_find(asset_at(i)->path), asset_at(i));
        if (i > 0)
            assert_true(strcmp(asset_at(i - 1)->path, asset_at(i)->path) < 0);
    }
    assert_non_null(asset_find("/"));
    static const char *const absent[] = {"",         "/index.html",    "/js",
                                         "/js/main", "/tsconfig.json", "/embed.mjs"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(asset_find(absent[i]));
}

/* Inflates gzip's format and checks that it gives exactly `size` bytes equal to `plain`. */
static void assert_inflates_to(const struct asset *asset)
{
    uint8_t *inflated = malloc(asset->plain_size + 1);
    assert_non_null(inflated);
    z_stream stream = {.next_in = (uint8_t *)(uintptr_t)asset->gzip,
                       .avail_in = (uInt)asset->gzip_size,
                       .next_out = inflated,
                       .avail_out = (uInt)asset->plain_size + 1};
    assert_int_equal(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(stream.total_out, asset->plain_size);
    assert_memory_equal(inflated, asset->plain, asset->plain_size);
    inflateEnd(&stream);
    free(inflated);
}

static void both_forms_hold_the_same_bytes_and_the_etag_is_their_digest(void **state)
{
    (void)state;
    size_t zipped = 0;
    for (size_t i = 0; asset_at(i); i++) {
        const struct asset *asset = asset_at(i);
        char digest[DIGEST_TEXT_SIZE], etag[DIGEST_TEXT_SIZE + 2];
        digest_bytes(asset->plain, asset->plain_size, digest);
        snprintf(etag, sizeof etag, "\"%s\"", digest);
        assert_string_equal(asset->etag, etag);
        assert_int_equal(asset->gzip == NULL, asset->gzip_size == 0);
        if (!asset->gzip)
            continue;
        assert_true(asset->gzip_size < asset->plain_size);
        assert_inflates_to(asset);
        zipped++;
    }
    assert_true(zipped > 10);
}

static void media_types_are_those_that_a_browser_insists_on(void **state)
{
    (void)state;
    static const struct {
        const char *path, *media_type;
    } wanted[] = {
        {"/", "text/html; charset=utf-8"},
        {"/css/tokens.css", "text/css; charset=utf-8"},
        {"/js/main.js", "text/javascript; charset=utf-8"},
        {"/vendor/uPlot.js", "text/javascript; charset=utf-8"},
        {"/openapi.json", "application/vnd.oai.openapi+json"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const struct asset *asset = asset_find(wanted[i].path);
        assert_non_null(asset);
        assert_string_equal(asset->media_type, wanted[i].media_type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assets_are_in_order_and_found_by_their_path_alone),
        cmocka_unit_test(both_forms_hold_the_same_bytes_and_the_etag_is_their_digest),
        cmocka_unit_test(media_types_are_those_that_a_browser_insists_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

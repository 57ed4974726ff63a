// Writes the C file that holds the page: `node static/embed.mjs build/assets.c`.
//
// In it go the files of static/ that a browser asks for, uPlot as one ES module, and api_spec/openapi.yaml as JSON,
// each plain and gzipped, with the ETag that the server sends. See server/assets.h for the form.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parse } from 'yaml';

const PAGE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(PAGE);

// What a browser may get from static/; files of other kinds stay out of the program.
const MEDIA_TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const read = (...path) => readFileSync(join(ROOT, ...path));

function pageFiles() {
  const entries = readdirSync(PAGE, { recursive: true }).map((name) => name.replaceAll('\\', '/'));
  return entries
    .filter((name) => extname(name) in MEDIA_TYPES)
    .map((name) => ({
      path: name === 'index.html' ? '/' : `/${name}`,
      mediaType: MEDIA_TYPES[extname(name)],
      bytes: read('static', name),
    }));
}

// uPlot's small build defines a global and wants a style sheet beside it; as a module it brings both in one request.
function chartLibrary() {
  const dist = ['node_modules', 'uplot', 'dist'];
  const script = read(...dist, 'uPlot.iife.min.js').toString();
  const style = JSON.stringify(read(...dist, 'uPlot.min.css').toString());
  const module = `${script}
const sheet = new CSSStyleSheet();
sheet.replaceSync(${style});
document.adoptedStyleSheets.push(sheet);
export default uPlot;
`;
  return [
    { path: '/vendor/uPlot.js', mediaType: MEDIA_TYPES['.js'], bytes: Buffer.from(module) },
    { path: '/vendor/uPlot.LICENSE', mediaType: 'text/plain; charset=utf-8', bytes: read('node_modules', 'uplot', 'LICENSE') },
  ];
}

function apiDescription() {
  const description = parse(read('api_spec', 'openapi.yaml').toString());
  return {
    path: '/openapi.json',
    mediaType: 'application/vnd.oai.openapi+json',
    bytes: Buffer.from(JSON.stringify(description)),
  };
}

// A C string literal: it compiles many times faster than a list of numbers.
function literal(bytes) {
  const lines = [];
  for (let start = 0; start < bytes.length; start += 96) {
    let line = '';
    for (const byte of bytes.subarray(start, start + 96)) {
      const printable = byte >= 0x20 && byte < 0x7f && !'"\\?'.includes(String.fromCharCode(byte));
      line += printable ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
    }
    lines.push(`    "${line}"`);
  }
  return lines.join('\n');
}

function definition({ path, bytes }, index) {
  const zipped = gzipSync(bytes, { level: 9 });
  const parts = [`/* ${path} */`, `static const uint8_t plain_${index}[] =\n${literal(bytes)};`];
  if (zipped.length < bytes.length) parts.push(`static const uint8_t gzip_${index}[] =\n${literal(zipped)};`);
  return { text: parts.join('\n'), gzipSize: zipped.length < bytes.length ? zipped.length : 0 };
}

function row({ path, mediaType, bytes }, index, gzipSize) {
  const etag = createHash('sha256').update(bytes).digest('hex');
  const gzip = gzipSize > 0 ? `gzip_${index}` : 'NULL';
  return `    {"${path}", "${mediaType}", plain_${index}, ${bytes.length}, ${gzip}, ${gzipSize}, "\\"${etag}\\""},`;
}

function sourceText(assets) {
  const definitions = assets.map(definition);
  const rows = assets.map((asset, index) => row(asset, index, definitions[index].gzipSize));
  return `/* Made by static/embed.mjs: change that, or the files it embeds. */
#include "server/assets.h"

#include <string.h>

${definitions.map(({ text }) => text).join('\n\n')}

static const struct asset assets[] = {
${rows.join('\n')}
};

#define ASSETS (sizeof(assets) / sizeof(assets[0]))

const struct asset *asset_find(const char *path)
{
    for (size_t i = 0; i < ASSETS; i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return NULL;
}

const struct asset *asset_at(size_t index)
{
    return index < ASSETS ? &assets[index] : NULL;
}
`;
}

const [output] = process.argv.slice(2);
if (output === undefined) {
  process.stderr.write('usage: node static/embed.mjs OUTPUT.c\n');
  process.exit(2);
}
const assets = [...pageFiles(), ...chartLibrary(), apiDescription()];
assets.sort((a, b) => (a.path < b.path ? -1 : 1));
writeFileSync(output, sourceText(assets));

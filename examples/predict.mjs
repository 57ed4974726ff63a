// Recognises a picture with fetch, in Node or a browser:
//   node examples/predict.mjs picture.png [http://127.0.0.1:8080]
// DIGITD_API_KEY is sent along where the server asks for keys.

import { readFile } from 'node:fs/promises';

/** @param {Blob | Uint8Array} picture a PNG @param {string} url @param {string} [key] */
export async function predict(picture, url, key) {
  const headers = { 'Content-Type': 'image/png', ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  for (let tries = 3; ; tries -= 1) {
    const response = await fetch(`${url}/api/v1/predict`, { method: 'POST', headers, body: picture });
    const answer = await response.json();
    if (response.ok) return answer;
    const wait = Number(response.headers.get('Retry-After'));
    if (!wait || tries === 0) throw new Error(answer.detail);
    await new Promise((resolve) => { setTimeout(resolve, wait * 1000); });
  }
}

const [picture, url = 'http://127.0.0.1:8080'] = process.argv.slice(2);
try {
  const answer = await predict(await readFile(picture), url, process.env.DIGITD_API_KEY);
  console.log(JSON.stringify(answer));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

// node ort.js FILE.onnx REPS THREADS [--small]: as ort.py, by the package onnxruntime-node; node ort.js version
const ort = require('onnxruntime-node');

async function main([file, reps, threads, small]) {
  if (file === 'version') {
    console.log(require('onnxruntime-node/package.json').version);
    return;
  }
  const session = await ort.InferenceSession.create(
    file, {intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all'});
  const shape = small ? [2, 1, 16, 16] : [8, 3, 32, 32];
  const random = (count, scale) => Float32Array.from({length: count}, () => Math.floor(scale * Math.random()) / scale);
  const x = new ort.Tensor('float32', random(shape.reduce((a, b) => a * b), 256).map(v => 256 * v), shape);
  const t = new ort.Tensor('float32', random(shape[0], 1e6), [shape[0]]);
  await session.run({x, t});
  const seconds = [];
  for (let i = 0; i < Number(reps); i++) {
    const start = process.hrtime.bigint();
    await session.run({x, t});
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  seconds.sort((a, b) => a - b);
  const median = seconds[seconds.length >> 1];
  console.log(JSON.stringify({name: 'onnxruntime', seconds_min: seconds[0], seconds_median: median}));
}

main(process.argv.slice(2));

// Streams of events, and sound as models take it.

// events reads server-sent events: {data} or {comment}.
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', data = [];
  try {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) break;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === '') {
          if (data.length) yield {data: data.join('\n')};
          data = [];
        } else if (line.startsWith(':')) yield {comment: line.slice(1).trimStart()};
        else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
      }
    }
    if (data.length) yield {data: data.join('\n')};
  } finally {
    reader.cancel().catch(() => {}); // who asked does not read on
  }
}

// wav makes of any sound that the browser knows one of 16 kHz, one channel.
export async function wav(blob) {
  const rate = 16000;
  const audio = new AudioContext();
  let sound;
  try {
    sound = await audio.decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw new Error('The browser cannot read this sound: give a WAV or MP3 file.');
  } finally {
    audio.close();
  }
  const off = new OfflineAudioContext(1, Math.max(1, Math.ceil(sound.duration * rate)), rate);
  const source = off.createBufferSource();
  source.buffer = sound;
  source.connect(off.destination);
  source.start();
  const samples = (await off.startRendering()).getChannelData(0);
  const out = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const word = (at, text) => [...text].forEach((c, i) => out.setUint8(at + i, c.charCodeAt(0)));
  word(0, 'RIFF'); out.setUint32(4, 36 + 2 * samples.length, true); word(8, 'WAVEfmt ');
  out.setUint32(16, 16, true); out.setUint16(20, 1, true); out.setUint16(22, 1, true);
  out.setUint32(24, rate, true); out.setUint32(28, 2 * rate, true); out.setUint16(32, 2, true); out.setUint16(34, 16, true);
  word(36, 'data'); out.setUint32(40, 2 * samples.length, true);
  samples.forEach((v, i) => out.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, v)) * 32767, true));
  return new Blob([out.buffer], {type: 'audio/wav'});
}

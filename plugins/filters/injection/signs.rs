//! What injection looks for: words that have a part in such sentences, and how
//! they stand together.

/// The part that a word has.
pub const OTHER: u8 = 0;
pub const OVERRIDE: u8 = 1; // ignore, disregard, forget
pub const ALL: u8 = 2; // all, any, the, your
pub const EARLIER: u8 = 3; // previous, prior, above
pub const RULES: u8 = 4; // instructions, rules, prompt
pub const REVEAL: u8 = 5; // reveal, print, repeat
pub const HIDDEN: u8 = 6; // system, hidden, initial
pub const YOU: u8 = 7;
pub const ARE: u8 = 8;
pub const NOW: u8 = 9;
pub const FREE: u8 = 10; // unrestricted, jailbroken
pub const WITHOUT: u8 = 11;
pub const LIMITS: u8 = 12; // restrictions, filters
pub const DO: u8 = 13;
pub const ANYTHING: u8 = 14;
pub const DEVELOPER: u8 = 15;
pub const MODE: u8 = 16;
pub const NEW: u8 = 17;
pub const ME: u8 = 18; // me, us, to, out

/// FNV-1a.
pub const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}
pub const START: u32 = 0x811c_9dc5;

const fn hash(word: &[u8]) -> u32 {
    let (mut h, mut i) = (START, 0);
    while i < word.len() {
        h = step(h, word[i]);
        i += 1;
    }
    h
}

const WORDS: &[(u8, &[&[u8]])] = &[
    (OVERRIDE, &[b"ignore", b"ignoring", b"disregard", b"forget", b"override", b"bypass", b"neglect", b"discard",
        b"ignoriere", b"vergiss", b"missachte", b"ignora", b"olvida", b"ignorez", b"oubliez", b"oublie", b"dimentica", b"esquece"]),
    (ALL, &[b"all", b"any", b"every", b"the", b"my", b"your", b"our", b"these", b"those", b"of", b"and",
        b"alle", b"die", b"deine", b"las", b"los", b"tus", b"todas", b"todos", b"toutes", b"les", b"tes", b"vos", b"tutte", b"le", b"as", b"suas"]),
    (EARLIER, &[b"previous", b"previously", b"prior", b"above", b"earlier", b"preceding", b"foregoing", b"given", b"existing", b"original",
        b"vorherigen", b"bisherigen", b"obigen", b"anteriores", b"previas", "précédentes".as_bytes(), b"precedentes", b"precedenti"]),
    (RULES, &[b"instruction", b"instructions", b"prompt", b"prompts", b"rule", b"rules", b"guideline", b"guidelines", b"directive",
        b"directives", b"command", b"commands", b"orders", b"programming", b"anweisungen", b"regeln", b"instrucciones", b"reglas",
        b"consignes", b"istruzioni", "instruções".as_bytes()]),
    (REVEAL, &[b"reveal", b"show", b"print", b"repeat", b"output", b"display", b"leak", b"tell", b"give", b"dump", b"share", b"zeige", b"muestra", b"affiche"]),
    (HIDDEN, &[b"system", b"hidden", b"initial", b"secret", b"internal", b"confidential"]),
    (YOU, &[b"you"]),
    (ARE, &[b"are"]),
    (NOW, &[b"now", b"henceforth"]),
    (FREE, &[b"unrestricted", b"unfiltered", b"uncensored", b"jailbroken", b"dan", b"amoral", b"evil"]),
    (WITHOUT, &[b"without", b"no"]),
    (LIMITS, &[b"restrictions", b"restriction", b"filters", b"limitations", b"limits", b"censorship", b"safeguards"]),
    (DO, &[b"do"]),
    (ANYTHING, &[b"anything"]),
    (DEVELOPER, &[b"developer", b"god", b"debug", b"admin", b"root"]),
    (MODE, &[b"mode"]),
    (NEW, &[b"new", b"updated", b"real", b"actual"]),
    (ME, &[b"me", b"us", b"to", b"out", b"verbatim", b"exactly"]),
];

const SLOTS: usize = 512;

/// Words by their hashes, open addressing.
const fn table() -> [(u32, u8); SLOTS] {
    let mut slots = [(0u32, OTHER); SLOTS];
    let mut group = 0;
    while group < WORDS.len() {
        let (part, words) = WORDS[group];
        let mut i = 0;
        while i < words.len() {
            let h = hash(words[i]);
            let mut at = h as usize % SLOTS;
            while slots[at].1 != OTHER {
                at = (at + 1) % SLOTS;
            }
            slots[at] = (h, part);
            i += 1;
        }
        group += 1;
    }
    slots
}

static TABLE: [(u32, u8); SLOTS] = table();

/// The part of a word by its hash, in lower case.
pub fn part(hash: u32) -> u8 {
    let mut at = hash as usize % SLOTS;
    loop {
        let (h, part) = TABLE[at];
        if part == OTHER || h == hash {
            return part;
        }
        at = (at + 1) % SLOTS;
    }
}

/// How many words back a sentence is looked at.
pub const REACH: usize = 8;

/// What the sentence that ends with the newest word, last[0], is worth.
pub fn weigh(last: &[u8; REACH]) -> u32 {
    match last[0] {
        RULES => override_rules(last) + reveal_rules(last),
        // "ignora las instrucciones anteriores", "ignore the instructions above"
        EARLIER if last[1] == RULES && override_rules(&last[1..]) == 2 => 1,
        NOW if last[1] == ARE && last[2] == YOU => 1,
        FREE => 1 + last[1..6].contains(&YOU) as u32,
        LIMITS if last[1..4].contains(&WITHOUT) => 2,
        NOW if last[1] == ANYTHING && last[2] == DO => 3,
        MODE if last[1] == DEVELOPER => 2,
        _ => 0,
    }
}

/// "ignore all previous instructions": 3 where they are earlier ones, else 2.
fn override_rules(last: &[u8]) -> u32 {
    let mut earlier = 0;
    for &p in &last[1..] {
        match p {
            EARLIER => earlier = 1,
            ALL | HIDDEN | RULES => {}
            OVERRIDE => return 2 + earlier,
            _ => return 0,
        }
    }
    0
}

/// "print your hidden instructions": 3; "new instructions": 1.
fn reveal_rules(last: &[u8]) -> u32 {
    if last[1] == NEW {
        return 1;
    }
    let mut hidden = false;
    for &p in &last[1..] {
        match p {
            HIDDEN | EARLIER => hidden = true,
            ALL | ME => {}
            REVEAL => return if hidden { 3 } else { 1 },
            _ => return 0,
        }
    }
    0
}

/// Marks of a conversation's frame, which no plain text holds: by how they begin,
/// <|, < or [, and #.
pub const PIPED: &[&[u8]] = &[b"<|im_start|>", b"<|im_end|>", b"<|system|>", b"<|assistant|>", b"<|endoftext|>"];
pub const TAGS: &[&[u8]] = &[b"[INST]", b"[/INST]", b"<<SYS>>", b"<start_of_turn>", b"</system>", b"<system>"];
pub const HEADS: &[&[u8]] = &[b"### System:", b"### Instruction:"];

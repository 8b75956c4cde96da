use super::Folder;

/// Width and height, from the header of a PNG file.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// The texts of an SVG picture.
fn texts(svg: &[u8]) -> Vec<String> {
    let svg = String::from_utf8(svg.to_vec()).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    let texts = svg.split("<text").skip(1);
    let inside = |text: &str| {
        let begin = text.find('>').unwrap() + 1;
        text[begin..text.find("</text>").unwrap()].trim().to_owned()
    };
    texts.map(inside).collect()
}

const KINDS: [&[&str]; 3] = [
    &["--kind", "activity"],
    &["--kind", "heat", "--layer", "fc1.weight"],
    &[
        "--kind",
        "weights",
        "--layer",
        "fc2.weight",
        "--weight",
        "3,6",
        "--weight",
        "0,0",
    ],
];

#[test]
fn each_kind_is_drawn_as_png_and_svg() {
    let folder = Folder::recorded(6);
    let said = ["2 layers", "'fc1.weight', 40 x 50", "2 weights"];
    let words: [&[&str]; 3] = [
        &[
            "Weights that each step changed",
            "fc1.weight",
            "fc2.weight",
            "all together",
            "step",
            "changed weights (% of the layer)",
        ],
        &[
            "How often the weights of fc1.weight changed (5 steps, 1 to 5)",
            "row",
            "column",
            "changes of a weight",
        ],
        &[
            "Weights of fc2.weight over time",
            "(3, 6)",
            "(0, 0)",
            "step",
            "weight",
        ],
    ];
    for (kind, (said, words)) in KINDS.iter().zip(said.iter().zip(words)) {
        let plot = |out: &str| folder.ok(&[&["plot", "run.tvdb", "-o", out], *kind].concat());
        assert_eq!(plot("a.png"), format!("{said} -> a.png\n"));
        assert_eq!(png_size(&folder.read("a.png")), (1280, 720));
        // Over the older one, and by any case of the ending.
        assert_eq!(plot("a.SVG"), format!("{said} -> a.SVG\n"));
        let texts = texts(&folder.read("a.SVG"));
        for word in words {
            assert!(
                texts.iter().any(|text| text == word),
                "no {word:?} in {texts:?}"
            );
        }
        // The same picture each time.
        let first = folder.read("a.png");
        plot("a.png");
        assert!(first == folder.read("a.png"));
    }
    let value = folder.json(&["plot", "run.tvdb", "--kind", "activity", "-o", "b.png"]);
    assert_eq!(
        (&value["kind"], &value["file"]),
        (&"activity".into(), &"b.png".into())
    );
    assert_eq!(value["bytes"], folder.read("b.png").len());
}

/// One step, one weight, ranges of steps, a store with a base alone.
#[test]
fn little_is_drawn_too() {
    let folder = Folder::recorded(2);
    for kind in KINDS {
        folder.ok(&[&["plot", "run.tvdb", "-o", "a.svg"], kind].concat());
        let ranged = [
            "plot", "run.tvdb", "-o", "a.svg", "--from", "1", "--to", "latest",
        ];
        folder.ok(&[&ranged, kind].concat());
    }
    let folder = Folder::recorded(1);
    for kind in &KINDS[1..] {
        folder.ok(&[&["plot", "run.tvdb", "-o", "a.png"], *kind].concat());
    }
    folder.refuses(
        &["plot", "run.tvdb", "--kind", "activity", "-o", "a.png"],
        &["no step of changes", "hint: "],
    );
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let folder = Folder::recorded(3);
    let fails = |code, options: &[&str], words: &[&str]| {
        let stderr = folder.fails(code, &[&["plot", "run.tvdb"], options].concat());
        for word in words {
            assert!(stderr.contains(word), "no {word:?} in {stderr}");
        }
    };
    let before = folder.read("run.tvdb");
    fails(
        2,
        &["--kind", "activity", "-o", "a.jpg"],
        &["a.jpg", ".png or .svg"],
    );
    fails(
        2,
        &["--kind", "activity", "-o", "run.tvdb"],
        &[".png or .svg"],
    );
    fails(
        2,
        &["--kind", "activity", "-o", "a.png", "--layer", "x"],
        &["--kind heat"],
    );
    fails(
        2,
        &["--kind", "heat", "-o", "a.png"],
        &["--layer is missing", "2 layers"],
    );
    fails(
        2,
        &["--kind", "weights", "-o", "a.png"],
        &["needs --weight"],
    );
    fails(
        2,
        &["--kind", "heat", "-o", "a.png", "--weight", "1,1"],
        &["--kind weights"],
    );
    let heat = ["--kind", "heat", "-o", "a.png", "--layer"];
    fails(1, &[&heat[..], &["fc1.wieght"]].concat(), &["fc1.weight"]);
    fails(1, &[&heat[..], &["counter"]].concat(), &["kept whole"]);
    fails(
        1,
        &[&heat[..], &["fc1.weight", "--from", "7"]].concat(),
        &["no step from 7"],
    );
    let weights = [
        "--kind",
        "weights",
        "-o",
        "a.png",
        "--layer",
        "fc2.weight",
        "--weight",
    ];
    fails(
        1,
        &[&weights[..], &["3,7"]].concat(),
        &["column 7", "12 x 7"],
    );
    fails(1, &[&weights[..], &["3"]].concat(), &["2 indices"]);
    fails(2, &[&weights[..], &["3,x"]].concat(), &["whole numbers"]);
    fails(
        1,
        &["--kind", "activity", "-o", "none/a.png"],
        &["none/a.png"],
    );
    std::fs::copy(folder.path("run.tvdb"), folder.path("other.png")).unwrap();
    fails(
        1,
        &["--kind", "activity", "-o", "other.png"],
        &["is a database"],
    );
    assert!(folder.read("run.tvdb") == before && folder.read("other.png") == before);
    assert!(!folder.path("a.png").exists());
}

//! Properties of Mongrel2's codecs on generated input, in every test run.

use proptest::prelude::*;
use uwsgi_protocol::fuzzing;
use uwsgi_protocol::mongrel2::tnetstring::{self, DEPTH_MAX, Value};

/// What is written.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Bytes(Vec<u8>),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Null,
    List(Vec<Tree>),
    Dict(Vec<(Vec<u8>, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let finite = any::<f64>().prop_filter("no text for it", |number| number.is_finite());
    let leaf = prop_oneof![
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        any::<i64>().prop_map(Tree::Integer),
        finite.prop_map(Tree::Float),
        any::<bool>().prop_map(Tree::Bool),
        Just(Tree::Null),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        let name = prop::collection::vec(any::<u8>(), 0..12);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::vec((name, inner), 0..6).prop_map(Tree::Dict),
        ]
    })
}

fn write(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Bytes(bytes) => tnetstring::bytes(bytes, out),
        Tree::Integer(number) => tnetstring::integer(*number, out),
        Tree::Float(number) => tnetstring::float(*number, out),
        Tree::Bool(value) => tnetstring::boolean(*value, out),
        Tree::Null => tnetstring::null(out),
        Tree::List(list) => {
            tnetstring::list(out, |out| list.iter().for_each(|tree| write(tree, out)));
        }
        Tree::Dict(dict) => tnetstring::dict(out, |out| {
            for (name, tree) in dict {
                tnetstring::bytes(name, out);
                write(tree, out);
            }
        }),
    }
}

fn read(value: Value<'_>) -> Tree {
    match value {
        Value::Bytes(bytes) => Tree::Bytes(bytes.to_vec()),
        Value::Integer(number) => Tree::Integer(number),
        Value::Float(number) => Tree::Float(number),
        Value::Bool(value) => Tree::Bool(value),
        Value::Null => Tree::Null,
        Value::List(list) => Tree::List(list.map(|value| read(value.expect("written"))).collect()),
        Value::Dict(dict) => Tree::Dict(
            dict.map(|pair| pair.expect("written"))
                .map(|(name, value)| (name.to_vec(), read(value)))
                .collect(),
        ),
    }
}

/// Messages, replies and values with now and then a wrong length.
fn message_like() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "GET",
        "METHOD",
        "x",
        "",
        "3:abc,",
        "1:a,1:b,",
        "1:a,0:]",
        "0:~",
        "4:true!",
        "2:-1#",
        "1:a,8:1:b,1:c,]",
        "7:headers,0:]4:rows,0:]",
        "4:code,1:x,5:error,1:y,",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    let tag = prop::sample::select(b",,}}]]#^!~".to_vec());
    let item =
        (prop::collection::vec(piece, 0..4), tag, 0_usize..12).prop_map(|(pieces, tag, shift)| {
            let content = pieces.concat();
            let len = content.len() + usize::from(shift == 0);
            [format!("{len}:{content}").as_bytes(), &[tag]].concat()
        });
    let fronts =
        ["", "", "a-1 7 /x ", "a-1 7 @* ", "a 1:7, ", "a 3:X 7, ", "a 3:7 8, ", "a_ 7 / ", " "];
    let front = prop::sample::select(fronts.to_vec());
    (front, prop::collection::vec(item, 0..4))
        .prop_map(|(front, items)| [front.as_bytes(), &items.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn tnetstrings_are_read_as_they_were_written(tree in tree()) {
        let mut out = Vec::new();
        write(&tree, &mut out);
        prop_assert_eq!(read(tnetstring::read(&out).expect("written")), tree);
    }

    #[test]
    fn messages_are_whole_or_refused(input in message_like(), cut in 0_usize..60) {
        fuzzing::mongrel2_message(&input, cut);
    }

    #[test]
    fn any_bytes_are_survived(input in any::<Vec<u8>>(), cut in any::<usize>()) {
        fuzzing::mongrel2_message(&input, cut);
    }
}

#[test]
fn values_lie_in_each_other_up_to_a_limit() {
    let nested = |levels: u8| {
        (0..levels).fold(b"0:~".to_vec(), |inner, _| {
            let mut out = Vec::new();
            tnetstring::list(&mut out, |out| out.extend_from_slice(&inner));
            out
        })
    };
    let depth = |input: &[u8]| {
        let mut value = tnetstring::read(input)?;
        let mut depth = 0;
        while let Value::List(mut list) = value {
            value = list.next().expect("one")?;
            depth += 1;
        }
        Ok(depth)
    };
    assert_eq!(depth(&nested(DEPTH_MAX)), Ok(DEPTH_MAX));
    let deeper =
        depth(&nested(DEPTH_MAX + 1)).map_err(|reject: uwsgi_protocol::Reject| reject.reason);
    assert_eq!(deeper, Err("tnet_too_deep"));
}

#[test]
fn numbers_without_a_text_are_null() {
    let mut out = Vec::new();
    for number in [f64::NAN, f64::INFINITY] {
        tnetstring::float(number, &mut out);
    }
    assert_eq!(out, b"0:~0:~");
}

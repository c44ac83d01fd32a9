"""What every check must say, by rows."""

from __future__ import annotations

CODE = 'def add(a, b):\n    """Add."""\n    return a + b'
CLASS = "class Stack:\n    def push(self, x):\n        pass\n\n    def pop(self):\n        pass"
NO_CODE = "found no Python code"

NO_COMMA = {"instruction_id": "punctuation:no_comma", "kwargs": {}}
SCHEMA = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer", "minimum": 0},
        "t": {"items": {"pattern": "^[a-z]"}, "uniqueItems": True},
    },
}

PASS, FAIL = "pass", "fail"


def count(relation: str, wanted: int) -> dict[str, object]:
    return {"relation": relation, "count": wanted}


# check: rows of arguments, text, status, and a piece of the explanation.
TABLE = {
    "word_count": [
        (count("eq", 2), "two words", PASS, "found 2 words, wanted exact"),
        (count("le", 1), "two words", FAIL, "found 2 words, wanted at most"),
        (count("eq", 1), "one -", PASS, "found 1 word, wanted exactly 1"),
        (count("lt", 2), "two words", FAIL, "wanted fewer than 2"),
    ],
    "sentence_count": [
        (count("eq", 3), "A b. C d.", FAIL, "found 2 sentences, wanted"),
        (count("ge", 2), "A b. C d", PASS, "found 2 sentences, wanted"),
    ],
    "paragraph_count": [
        (count("eq", 2), "a\nb\n\n\n\nc", PASS, "found 2 paragraphs"),
        (count("gt", 1), "a\nb", FAIL, "1 paragraph, wanted more than 1"),
    ],
    "line_count": [
        (count("eq", 2), "a\n\n \nb\n", PASS, "found 2 lines"),
        (count("eq", 2), "a b", FAIL, "found 1 line, wanted exactly 2"),
    ],
    "distinct_word_count": [
        (count("ge", 3), "a A b, b", FAIL, "2 different words"),
        (count("eq", 2), "don't well-known", PASS, "2 different"),
    ],
    "distinct_lines": [
        ({}, "- One.\n- two\n* one", FAIL, 'a line comes 2 times, wanted none twice: "on'),
        ({}, "one\n\ntwo", PASS, "found 2 lines, no two alike"),
    ],
    "distinct_sentences": [
        ({}, "He ran. She ran. HE RAN!", FAIL, "a sentence comes 2 times"),
        ({}, "He ran.", PASS, "found 1 sentence, no two alike"),
        ({}, "...", FAIL, "found no sentence"),
    ],
    "phrase_count": [
        ({"phrase": "sea", "relation": "eq", "count": 2}, "Sea, sea, seas", PASS, "2 times"),
        ({"phrase": "sea", "relation": "ge", "count": 2}, "sea", FAIL, '"sea": found 1 tim'),
    ],
    "contains_all": [
        ({"phrases": ["storm", "light"]}, "Storm and LIGHT.", PASS, '"storm", "light"'),
        ({"phrases": ["storm", "light"]}, "stormy light", FAIL, 'missing "storm", wanted'),
        ({"phrases": ["New York"]}, "in new\n  york.", PASS, ""),
        ({"phrases": ["don't"]}, "I don’t", PASS, ""),
        ({"phrases": ["C++"]}, "C++ or C", PASS, ""),
        ({"phrases": ["a.b"]}, "acb", FAIL, ""),
    ],
    "contains_any": [
        ({"phrases": ["sour", "sharp"]}, "a sharp taste", PASS, 'found "sharp"'),
        ({"phrases": ["sour", "sharp"]}, "a sharper taste", FAIL, "found none of"),
    ],
    "forbidden_words": [
        ({"words": ["cute"]}, "acute", PASS, 'found none of "cute"'),
        ({"words": ["cute", "old"]}, "Old, CUTE", FAIL, 'found "cute", "old", wanted none'),
    ],
    "forbidden_characters": [
        ({"characters": ",!"}, "a, b, c!", FAIL, 'found "," 2×, "!" 1×, wanted none'),
        ({"characters": "Z"}, "jazz", FAIL, 'found "Z" 2×'),
        ({"characters": ", "}, "a b", PASS, 'found none of ","'),
    ],
    "starts_with": [
        ({"prefix": "Dear"}, ' "dear Tom', PASS, 'starts with "dear Tom", wanted "Dear"'),
        ({"prefix": "Dear"}, "Dearest Tom", FAIL, 'starts with "Dearest Tom"'),
        ({"prefix": "Name:"}, "**Name:** Oven", PASS, ""),
        ({"prefix": '"'}, "no quote", FAIL, ""),
        ({"prefix": '"'}, ' "quote"', PASS, ""),
    ],
    "ends_with": [
        ({"suffix": "Thank you."}, "It is cold.\nThank  you.\n", PASS, 'wanted "Thank you."'),
        ({"suffix": "?"}, '"Who is it?"', PASS, ""),
        ({"suffix": "end"}, "the weekend", FAIL, 'ends with "the weekend", wanted "end"'),
        ({"suffix": "end"}, "end of", FAIL, ""),
        ({"suffix": '"'}, 'a "quote" ', PASS, ""),
    ],
    "each_line_starts_with": [
        ({"prefixes": ["A:", "B:"]}, "A: x\n\n b: y\n**A:** z", PASS, "3 lines"),
        ({"prefixes": ["A:", "B:"]}, "A: x\nC: y", FAIL, "1 of 2 lines start oth"),
        ({"prefixes": ["- "]}, "- a\n-", PASS, ""),
    ],
    "last_line_starts_with": [
        ({"prefix": "Answer:"}, "x\n**Answer:** 5\n\n", PASS, "the last line starts"),
        ({"prefix": "Answer:"}, "Answer: 5\nSo", FAIL, 'with "So", wanted "Answer:"'),
    ],
    "acrostic": [
        ({"word": "MOON"}, "My\nold\n\n- owl\n'nods", PASS, 'the lines spell "Moon"'),
        ({"word": "MOON"}, "My\nold\nowl", FAIL, 'the lines spell "Moo", wanted "MOON"'),
    ],
    "numeric_answer": [
        ({"answer": 3.14, "tolerance": 0.01}, "Answer: 3.15", PASS, "wanted 3.14 ± 0.01"),
        ({"answer": 3.14, "tolerance": 0}, "Answer: 3.15", FAIL, 'is "3.15", wanted 3.14'),
        ({"answer": 0.5, "tolerance": 0}, "so it is 1/2", PASS, 'last number is "1/2", wanted'),
        ({"answer": -1200, "tolerance": 0.5}, "Answer: -1,200.5 m", PASS, ""),
        ({"answer": 1, "tolerance": 9}, "Answer: none", FAIL, ""),
        ({"answer": 1, "tolerance": 9}, "none", FAIL, 'last number is "none"'),
    ],
    "json_schema": [
        ({"schema": SCHEMA}, 'So: {"n": 3, "t": ["a"]}.', PASS, "keeps the schema"),
        ({"schema": SCHEMA}, '{"n": -1, "t": []}', FAIL, 'n "-1" breaks minimum "0"'),
        ({"schema": SCHEMA}, '{"n": 1, "t": ["1"]}', FAIL, 't/0 "'),
        ({"schema": SCHEMA}, '{"n": 1, "t": ["a", "a"]}', FAIL, "breaks uniqueItems"),
        ({"schema": SCHEMA}, '{"t": []}', FAIL, "breaks required"),
        ({"schema": SCHEMA}, "none", FAIL, "found no JSON object, wanted one that"),
    ],
    "nth_paragraph_starts_with": [
        ({"number": 2, "prefix": "then"}, "a\n\n\n**Then** b", PASS, "paragraph 2 starts with"),
        ({"number": 2, "prefix": "then"}, "Then\n\nThence", FAIL, 'starts with "Thence"'),
        ({"number": 3, "prefix": "a"}, "a\n\na", FAIL, "found 2 paragraphs, wanted a 3. one"),
    ],
    "placeholder_count": [
        (count("eq", 2), "[name], [my address] [](x) [link](x) [1] [x]", PASS, "2 placeholders"),
        (count("ge", 1), "[open\nname]", FAIL, "found 0 placeholders"),
    ],
    "has_postscript": [
        ({"marker": "P.S."}, "Dear me.\n\n**p. s.** Send bread.", PASS, 'script "Send bread."'),
        ({"marker": "P.S."}, "Dear P.S. me.", FAIL, 'no line begins with "P.S."'),
        ({"marker": "P.S."}, "Dear me.\nP.S.\n", FAIL, "nothing stands after"),
        ({"marker": "P.S."}, "P.S. Send bread.", FAIL, "nothing stands before"),
    ],
    "highlight_count": [
        (count("eq", 3), "*a* **b c** ***d***", PASS, "found 3 highlights"),
        (count("ge", 1), "* a\n* b\n2*3*4 ** **", FAIL, "found 0 highlights"),
    ],
    "section_count": [
        ({"heading": "Section", **count("eq", 2)}, "SECTION 1\na\n## Section 2: b", PASS, "2 sec"),
        ({"heading": "Section", **count("ge", 1)}, "in Section 1 we", FAIL, "found 0 sections"),
        ({"heading": "Part", **count("ge", 1)}, "Part 2\nPart 1", FAIL, "numbered 2, 1, wanted"),
    ],
    "has_title": [
        ({"opening": "<<", "closing": ">>"}, "\n**<<Joy>>**\nA poem", PASS, 'the title "Joy"'),
        ({"opening": "<<", "closing": ">>"}, "<< >>\nA poem", FAIL, "wanted <<title>>"),
        ({"opening": "<<", "closing": ">>"}, "A poem\n<<Joy>>", FAIL, 'line is "A poem"'),
        ({"opening": "|", "closing": "|"}, "|", FAIL, ""),
    ],
    "different_answers": [
        ({"separator": "***", "count": 2}, "a b\n***\nc", PASS, "found 2 answers, wanted 2"),
        ({"separator": "***", "count": 2}, "a b ***A  b", FAIL, "found 2 answers, 1 different"),
        ({"separator": "***", "count": 2}, "a******b", FAIL, "an answer is blank"),
        ({"separator": "***", "count": 2}, "a", FAIL, "found 1 answers"),
    ],
    "repeats_prompt": [
        ({"prompt": "Say  it."}, '"Say it. Well: it.', PASS, "2 words are repeated and an answ"),
        ({"prompt": "Say it."}, "Say it.", FAIL, "no answer follows"),
        ({"prompt": "Say it."}, "say it. It.", FAIL, 'word 1 is "say"'),
    ],
    "in_quotation_marks": [
        ({}, ' "All of it." ', PASS, "wanted it all in double quotes"),
        ({}, "“All of it.”", PASS, ""),
        ({}, '"Some" of it', FAIL, 'the answer is ""Some" of it"'),
        ({}, '"', FAIL, ""),
        ({}, '""', FAIL, ""),
    ],
    "letter_count": [
        ({"letter": "E", **count("eq", 2)}, "Even é", PASS, 'the letter "E": found 2 times'),
        ({"letter": "!", **count("lt", 2)}, "a!!", FAIL, "found 2 times, wanted fewer than 2"),
    ],
    "capital_word_count": [
        (count("eq", 3), "I saw NASA, the U.S. and X-RAY beams", PASS, "found 3 capital words"),
        (count("ge", 1), "I Am", FAIL, "found 0 capital words"),
    ],
    "no_commas": [
        ({}, "No comma; none.", PASS, "found 0 commas"),
        ({}, "1,200", FAIL, "found 1 comma, wanted none"),
        ({}, "夜、朝", FAIL, "found 1 comma"),
    ],
    "response_language": [
        ({"language": "de"}, "Niemand hat den Schlüssel gefunden.", PASS, "language is de"),
        ({"language": "de"}, "Nobody has found the key so far.", FAIL, "is en, wanted de"),
        ({"language": "ja"}, "誰も鍵を見つけられなかった", PASS, ""),
    ],
    "ifeval": [
        (NO_COMMA, "no comma", PASS, "punctuation:no_comma: found 0 commas"),
        (NO_COMMA, "Well,\nno comma", FAIL, "wanted none; followed without its first line"),
        (NO_COMMA, " ", FAIL, "the answer is empty"),
    ],
    "matches_regex": [
        ({"what": "a date", "pattern": r"^\d{4}-\d\d"}, "x\n2026-11", PASS, 'a date: "2026'),
        ({"what": "a date", "pattern": r"^\d{4}-\d\d"}, "on 2026-11", FAIL, "found no a da"),
    ],
    "letter_case": [
        ({"case": "upper"}, "ABC 12!", PASS, "found 3 letters in upper case and 0 in lower"),
        ({"case": "upper"}, "ABc", FAIL, "2 letters in upper case and 1 in lower case"),
        ({"case": "lower"}, "abc é", PASS, "wanted lower case only"),
        ({"case": "lower"}, "12", FAIL, "found 0 letters in lower case"),
    ],
    "one_of": [
        ({"options": ["yes", "no"]}, ' "Yes." ', PASS, 'wanted one of "yes", "no"'),
        ({"options": ["yes", "no"]}, "yes or no", FAIL, 'the answer is "yes or no"'),
    ],
    "bullet_count": [
        (count("eq", 3), "- a\n  * b\nx - y\n• c\n-d", PASS, "3 bullets"),
        (count("ge", 1), "--- a\n**b**", FAIL, "found 0 bullets"),
    ],
    "numbered_list_count": [
        (count("eq", 2), "1. a\n\n2) b\n3.5", PASS, "2 numbered items"),
        (count("eq", 2), "1. a\n1. b", FAIL, "numbered 1, 1, wanted it"),
        (count("eq", 1), "2. a", FAIL, "count up from 1"),
        (count("ge", 1), "none", FAIL, "found 0 numbered items"),
    ],
    "valid_json_with_keys": [
        ({"keys": ["a", "b"]}, 'So: {"a": 1, "b": {}, "c": 0}.', PASS, '"a", "b"'),
        ({"keys": ["a"]}, '```json\n{"a": 1}\n```', PASS, ""),
        ({"keys": ["a", "b"]}, '{"a": 1}', FAIL, 'lacks the keys "b"'),
        ({"keys": ["a"]}, "{'a': 1}", FAIL, "no valid JSON object (line 1: Expecting"),
        ({"keys": ["a"]}, '{"a": 1', FAIL, "no valid JSON object"),
        ({"keys": ["a"]}, '["a"]', FAIL, "found no JSON object"),
        ({"keys": ["a"]}, '{"a": NaN}', FAIL, "NaN is not JSON"),
        ({"keys": ["a"]}, '{"a": ' + "9" * 5000 + "}", FAIL, "no valid JSON object"),
        ({"keys": ["a"]}, '{"a":' * 99999, FAIL, ""),
        ({"keys": ["a"]}, '{"b":' + "[" * 99999, FAIL, "nested too deeply"),
    ],
    "json_value_type": [
        ({"key": "a", "kind": "number"}, '{"a": 1.5}', PASS, '"a" is "1.5", wanted a num'),
        ({"key": "a", "kind": "number"}, '{"a": true}', FAIL, ""),
        ({"key": "a", "kind": "boolean"}, '{"a": true}', PASS, ""),
        ({"key": "a", "kind": "list"}, '{"a": {}}', FAIL, '"a" is "{}", wanted a list'),
        ({"key": "a", "kind": "object"}, '{"b": {}}', FAIL, 'no key "a"'),
        ({"key": "a", "kind": "string"}, "none", FAIL, "found no JSON object"),
    ],
    "final_answer": [
        ({"answer": "36"}, "Answer: 36 apples", PASS, 'stated answer is "36 apples", wanted 36'),
        ({"answer": "36"}, "Answer: 63", FAIL, 'the stated answer is "63", wanted 36'),
    ],
    "code_parses": [
        ({}, CODE, PASS, "3 lines of code parse"),
        ({}, 'xdef add(a, b):\n    """Add."""\n    return a + b', FAIL, NO_CODE),
        ({}, "```\ndef f(:\n```", FAIL, "the code does not parse (line 1: invalid syntax"),
    ],
    "defines_function": [
        ({"name": "add", "parameters": 2}, CODE, PASS, 'found "add(a, b)"'),
        ({"name": "add", "parameters": 1}, CODE, FAIL, "wanted add with 1 argument"),
        ({"name": "sum", "parameters": 2}, CODE, FAIL, 'found "add(a, b)", wanted sum'),
        ({"name": "add", "parameters": 2}, "add(a, b)", FAIL, NO_CODE),
    ],
    "defines_any_function": [
        ({"parameters": 2}, CODE, PASS, 'found "add(a, b)"'),
        ({"parameters": 0}, CODE, FAIL, "wanted a function of 0 arguments"),
        ({"parameters": 1}, "def f(a, b=1): pass", PASS, ""),
        ({"parameters": 5}, "def f(a, *b): pass", PASS, ""),
        ({"parameters": 1}, "def f(a, *, b): pass", FAIL, ""),
        ({"parameters": 1}, "def f(a, /, *, b=1): pass", PASS, ""),
        ({"parameters": 1}, CLASS, PASS, 'found "push(x)"'),
        ({"parameters": 2}, CLASS, FAIL, ""),
        ({"parameters": 1}, "import x", FAIL, "found no function, wanted"),
    ],
    "defines_class": [
        ({"name": "Stack", "methods": ["push", "pop"]}, CLASS, PASS, "found class Stack"),
        ({"name": "Stack", "methods": ["peek"]}, CLASS, FAIL, "class Stack lacks peek"),
        ({"name": "Queue", "methods": ["push"]}, CLASS, FAIL, "found no class"),
    ],
    "is_recursive": [
        ({"name": "f"}, "def f(n):\n    return f(n - 1)", PASS, "f calls itself"),
        ({"name": "f"}, "def f(n): return n\nf(1)", FAIL, "f does not call itself"),
        ({"name": "g"}, "def f(n): return f(n)", FAIL, "found no function g"),
        ({"name": "f"}, "class A:\n  def f(self): return self.f()", PASS, ""),
    ],
    "has_docstring": [
        ({}, CODE, PASS, '"add" has the docstring "Add."'),
        ({}, "def f():\n    # Doc\n    x = 'Doc'", FAIL, '"f" has no docstring'),
        ({}, 'def f():\n    """ """', FAIL, "no docstring"),
        ({}, '"""Module."""\nimport x', FAIL, "found no function"),
    ],
    "class_has_docstring": [
        ({"name": "A"}, 'class A:\n    """Doc."""', PASS, '"A" has the docstring "Doc."'),
        ({"name": "A"}, 'class A:\n  def f(self):\n    """Doc."""', FAIL, '"A" has no docstring'),
        ({"name": "B"}, 'class A:\n    """Doc."""', FAIL, "found no class B, wanted one with"),
    ],
    "has_type_hints": [
        ({}, "def f(x: int, *, y: int) -> int: ...", PASS, '"f" has type hints'),
        ({}, "def f(x: int, y) -> int: ...", FAIL, 'no type hint for "y"'),
        ({}, "def f(x: int): ...", FAIL, 'no type hint for "its return value"'),
        ({}, "class A:\n    def f(self, x: int) -> int: ...", PASS, ""),
    ],
    "comment_count": [
        (count("ge", 2), "import x  # a\n# b\n#", PASS, "found 2 comments"),
        (count("ge", 1), 'import x\ny = "# a"', FAIL, "found 0 comments"),
        (count("eq", 0), "# a heading", FAIL, NO_CODE),
    ],
    "mentions_in_code": [
        ({"what": "adds", "patterns": ["x", r"a \+"]}, CODE, PASS, 'adds: found "a +"'),
        ({"what": "adds", "patterns": ["Add"]}, CODE, FAIL, "nothing in the code adds"),
        ({"what": "adds", "patterns": ["a"]}, "a prose", FAIL, "found no Python code that adds"),
        ({"what": "adds", "patterns": ["a"]}, "def f(:\n    a", PASS, ""),
    ],
    "forbidden_in_code": [
        ({"what": "loop", "patterns": [r"\bfor\b"]}, CODE, PASS, "found no loop"),
        ({"what": "sum", "patterns": [r"\+"]}, CODE, FAIL, 'found "+", wanted no sum'),
        ({"what": "sum", "patterns": ["x"]}, "prose", FAIL, "found no Python code, wanted"),
    ],
}

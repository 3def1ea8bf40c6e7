// What expressions can do with text. All are local to build, and null of null.

extension Expression {
    /// Bytes of a text in UTF-8, as int64.
    public var byteCount: Expression { applying(ByteCount()) }
    /// Characters (Unicode scalars, as in Polars and Python) of a text, as int64.
    public var characterCount: Expression { applying(CharacterCount()) }
    /// The text in lower case, by Unicode's full mapping.
    public func lowercased() -> Expression { applying(ChangedCase(isUpper: false)) }
    /// The text in upper case, by Unicode's full mapping ("ß" becomes "SS").
    public func uppercased() -> Expression { applying(ChangedCase(isUpper: true)) }

    /// The text without white space, or without any of `characters`, at both ends.
    public func trim(_ characters: String? = nil) -> Expression { trim(.both, characters) }
    /// The same at the start only.
    public func trimStart(_ characters: String? = nil) -> Expression { trim(.start, characters) }
    /// The same at the end only.
    public func trimEnd(_ characters: String? = nil) -> Expression { trim(.end, characters) }

    private func trim(_ ends: TextEnds, _ characters: String?) -> Expression {
        applying(Trimmed(ends: ends, characters: characters.map { Set($0.unicodeScalars) }))
    }

    /// Is `pattern` somewhere in the text? Literal; see `matches` for regular expressions.
    public func contains(_ pattern: String) -> Expression {
        applying(LiteralSearch(place: .anywhere, pattern: Array(pattern.utf8)))
    }
    /// Does the text start with `prefix`?
    public func startsWith(_ prefix: String) -> Expression {
        applying(LiteralSearch(place: .start, pattern: Array(prefix.utf8)))
    }
    /// Does the text end with `suffix`?
    public func endsWith(_ suffix: String) -> Expression {
        applying(LiteralSearch(place: .end, pattern: Array(suffix.utf8)))
    }
    /// Is the whole text like a SQL pattern? `%` stands for any text, `_` for any one character, a
    /// backslash takes the next character literally.
    public func like(_ pattern: String) -> Expression { applying(Like(pattern)) }

    /// The text with every `old` (the first one only, if `first`) replaced. Literal.
    public func replace(_ old: String, with new: String, first: Bool = false) -> Expression {
        applying(
            LiteralReplacement(old: Array(old.utf8), new: Array(new.utf8), isFirstOnly: first))
    }

    /// `length` characters from character `offset` on; a negative offset counts from the end, no
    /// length means all the rest.
    public func slice(_ offset: Int, _ length: Int? = nil) -> Expression {
        applying(Sliced(offset: offset, length: length))
    }

    /// Does the regular expression (Perl's syntax, in UTF mode) match somewhere in the text?
    /// Compiled once, by PCRE2 with its just-in-time compiler.
    /// - Throws: the verb it is part of throws `invalidArgument` for a bad pattern, or if libpcre2-8
    ///   is not installed.
    public func matches(_ pattern: String) -> Expression {
        applying(RegexSearch(pattern: RegexPattern(pattern)))
    }
    /// What group `group` (0 is the whole match) of the first match captured; null without a match.
    /// Errors as `matches`.
    public func extract(_ pattern: String, group: Int = 0) -> Expression {
        applying(RegexExtraction(pattern: RegexPattern(pattern), group: group))
    }
    /// The text with every match (the first one only, if `first`) replaced; `$1` in `replacement`
    /// is the first group, `$$` a dollar. Errors as `matches`.
    public func replaceMatches(
        _ pattern: String, with replacement: String, first: Bool = false
    ) -> Expression {
        applying(
            RegexReplacement(
                pattern: RegexPattern(pattern), replacement: Array(replacement.utf8),
                isFirstOnly: first))
    }
}

/// Texts one after the other, `separator` between them; null if any is. Local.
public func concat(_ texts: Expression..., separator: String = "") -> Expression {
    Expression(.function(Joined(separator: separator), texts.map(\.node)))
}

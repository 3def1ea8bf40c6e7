// The operators and functions that build expressions, all of them one line: what each means is in
// Expression's documentation, what it costs is one pass over its operands when it is evaluated.

extension Expression {
    private static func binary(
        _ operation: BinaryOperator, _ left: Expression, _ right: Expression
    ) -> Expression {
        Expression(.binary(operation, left.node, right.node))
    }

    /// Sum of numbers. Local.
    public static func + (left: Expression, right: Expression) -> Expression {
        binary(.add, left, right)
    }
    /// Difference of numbers. Local.
    public static func - (left: Expression, right: Expression) -> Expression {
        binary(.subtract, left, right)
    }
    /// Product of numbers. Local.
    public static func * (left: Expression, right: Expression) -> Expression {
        binary(.multiply, left, right)
    }
    /// Quotient of numbers as float64; by zero it is infinite or NaN. Local.
    public static func / (left: Expression, right: Expression) -> Expression {
        binary(.divide, left, right)
    }
    /// Remainder with the sign of the divisor; null where an int64 divisor is 0. Local.
    public static func % (left: Expression, right: Expression) -> Expression {
        binary(.remainder, left, right)
    }
    /// The quotient rounded down, of the operands' type; null where an integer divisor is 0. Local.
    public func floorDivide(_ divisor: Expression) -> Expression {
        Expression.binary(.floorDivide, self, divisor)
    }
    /// The negative of a number. Local.
    public static prefix func - (operand: Expression) -> Expression {
        Expression(.unary(.negate, operand.node))
    }

    /// Are both equal? Null if either is null. Local.
    public static func == (left: Expression, right: Expression) -> Expression {
        binary(.equal, left, right)
    }
    /// Do they differ? Null if either is null. Local.
    public static func != (left: Expression, right: Expression) -> Expression {
        binary(.notEqual, left, right)
    }
    /// Is the left one less? Strings compare by their UTF-8 bytes. Local.
    public static func < (left: Expression, right: Expression) -> Expression {
        binary(.less, left, right)
    }
    /// Is the left one less, or are both equal? Local.
    public static func <= (left: Expression, right: Expression) -> Expression {
        binary(.lessOrEqual, left, right)
    }
    /// Is the left one greater? Local.
    public static func > (left: Expression, right: Expression) -> Expression {
        binary(.greater, left, right)
    }
    /// Is the left one greater, or are both equal? Local.
    public static func >= (left: Expression, right: Expression) -> Expression {
        binary(.greaterOrEqual, left, right)
    }

    /// Both? False if either is false, else null if either is null. Local.
    public static func && (left: Expression, right: Expression) -> Expression {
        binary(.and, left, right)
    }
    /// Either? True if either is true, else null if either is null. Local.
    public static func || (left: Expression, right: Expression) -> Expression {
        binary(.or, left, right)
    }
    /// The opposite; null stays null. Local.
    public static prefix func ! (operand: Expression) -> Expression {
        Expression(.unary(.not, operand.node))
    }

    /// True where the value is null, never null itself. Local.
    public var isNull: Expression { Expression(.unary(.isNull, node)) }
    /// True where there is a value, never null itself. Local.
    public var isNotNull: Expression { Expression(.unary(.isNotNull, node)) }
    /// True where a float64 is NaN; null stays null. Local.
    public var isNaN: Expression { Expression(.unary(.isNaN, node)) }
    /// The value, or `replacement` where it is null. Local.
    public func fillNull(_ replacement: Expression) -> Expression {
        Expression.binary(.fillNull, self, replacement)
    }

    /// The value as another type. Local.
    ///
    /// Numbers, bool and text convert into one another, floats towards zero; dates into datetimes
    /// and back (to the day before), dates, datetimes and durations from and to integers (days, µs);
    /// times and text in ISO 8601.
    /// - Parameter strict: what does not fit (`"abc"`, NaN or 300 as int8) is an error that names
    ///   value and row; if false, it becomes null. A cast that can fail costs its verb one exchange
    ///   of 136 bytes per pair of ranks, so that all ranks learn of it.
    /// - Throws: the verb it is part of throws `malformedValue`, on all ranks.
    public func cast(_ type: DataType, strict: Bool = true) -> Expression {
        Expression(.cast(node, type, isStrict: strict))
    }

    /// Is the value within `lower ... upper`? Null if any of the three is. Local.
    public func between(_ lower: Expression, _ upper: Expression) -> Expression {
        self >= lower && self <= upper
    }
}

// Reading AWS's answers.

import Testing

@testable import AWSClient

@Suite struct XMLTextTests {
    @Test func `texts are found by name, in order, with their entities resolved`() {
        let text = """
            <List><Key>a&amp;b</Key><Keys>no</Keys><Key>&#x27;&#39;&lt;&gt;&quot;&apos;</Key><Key/>
            <Key></Key><Key>& &; &nosuch; &#xD800; &amp;lt;</Key><Key>never closed</List>
            """
        #expect(
            XMLText.values(of: "Key", in: text)
                == ["a&b", "''<>\"'", "", "& &; &nosuch; &#xD800; &lt;"])
        #expect(XMLText.values(of: "Nothing", in: text) == [])
        #expect(XMLText.values(of: "Key", in: "") == [])
    }
}
